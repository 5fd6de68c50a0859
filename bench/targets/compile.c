/*
 * A library that brings Debian's libLLVM-14 into a program and compiles with it, over and over, on a thread of its
 * own: CPU time all over 110 MB of code. Without LLVM's headers, which need not be installed.
 */
#include <dlfcn.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define LIBRARY   "libLLVM-14.so.1"
#define TRIPLE    "x86_64-pc-linux-gnu"
#define FUNCTIONS 60

static void *llvm;

static void *find(const char *name)
{
    void *function = dlsym(llvm, name);
    if (!function) {
        fprintf(stderr, "%s: no %s\n", LIBRARY, name);
        exit(1);
    }
    return function;
}

#define CALL(result, name, ...) ((result(*)())find(name))(__VA_ARGS__)

static char *make_text(void)
{
    static const char function[] = "define i64 @f%d(i64 %%a, i64* %%p) {\n"
                                   "entry:\n br label %%loop\n"
                                   "loop:\n"
                                   " %%i = phi i64 [ 0, %%entry ], [ %%n, %%loop ]\n"
                                   " %%s = phi i64 [ %%a, %%entry ], [ %%t, %%loop ]\n"
                                   " %%q = getelementptr i64, i64* %%p, i64 %%i\n"
                                   " %%v = load i64, i64* %%q\n"
                                   " %%x = mul i64 %%v, %d\n %%y = udiv i64 %%x, 7\n %%t = add i64 %%s, %%y\n"
                                   " store i64 %%t, i64* %%q\n"
                                   " %%n = add i64 %%i, 1\n %%c = icmp ult i64 %%n, 64\n"
                                   " br i1 %%c, label %%loop, label %%end\n"
                                   "end:\n ret i64 %%t\n}\n";
    char *text = malloc(FUNCTIONS * (sizeof function + 32)), *at = text;
    for (int i = 0; text && i < FUNCTIONS; i++)
        at += sprintf(at, function, i, i + 3);
    return text;
}

static void compile(const char *text, void *machine)
{
    void *context = CALL(void *, "LLVMContextCreate"), *module = NULL, *object = NULL;
    char *error = NULL;
    void *bytes = CALL(void *, "LLVMCreateMemoryBufferWithMemoryRangeCopy", text, strlen(text), "text");
    if (CALL(int, "LLVMParseIRInContext", context, bytes, &module, &error) != 0) {
        fprintf(stderr, "%s\n", error);
        exit(1);
    }
    void *options = CALL(void *, "LLVMCreatePassBuilderOptions");
    CALL(void *, "LLVMRunPasses", module, "default<O2>", machine, options);
    CALL(void, "LLVMDisposePassBuilderOptions", options);
    if (CALL(int, "LLVMTargetMachineEmitToMemoryBuffer", machine, module, 1, &error, &object) == 0)
        CALL(void, "LLVMDisposeMemoryBuffer", object);
    CALL(void, "LLVMDisposeModule", module);
    CALL(void, "LLVMContextDispose", context);
}

static void *compile_for_ever(void *arg)
{
    static const char *const inits[] = {"LLVMInitializeX86TargetInfo", "LLVMInitializeX86Target",
                                        "LLVMInitializeX86TargetMC", "LLVMInitializeX86AsmPrinter"};
    void *target = NULL;
    char *error = NULL, *text = make_text();
    for (size_t i = 0; i < sizeof inits / sizeof *inits; i++)
        CALL(void, inits[i]);
    if (!text || CALL(int, "LLVMGetTargetFromTriple", TRIPLE, &target, &error) != 0)
        exit(1);
    void *machine = CALL(void *, "LLVMCreateTargetMachine", target, TRIPLE, "", "", 2, 2, 0);
    for (;;)
        compile(text, machine);
    return arg;
}

__attribute__((constructor)) static void start(void)
{
    pthread_t thread;
    llvm = dlopen(LIBRARY, RTLD_NOW | RTLD_LOCAL);
    if (!llvm || pthread_create(&thread, NULL, compile_for_ever, NULL) != 0)
        fprintf(stderr, "%s: %s\n", LIBRARY, llvm ? "no thread" : dlerror());
}
