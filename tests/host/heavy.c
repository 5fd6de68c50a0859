/*
 * A library that has a long .eh_frame, as browsers and their like have: what a profiler copies of it takes a while. One
 * entry of 16 MiB, filled by an instruction of two bytes that says nothing (DW_CFA_GNU_args_size 0).
 */
__asm__(".text\n"
        "idle: nop\n"
        "idle_end:\n"
        ".section .eh_frame, \"a\", @progbits\n"
        "cie: .long cie_end - cie_start\n"
        "cie_start: .long 0\n"
        ".byte 1\n"
        ".string \"zR\"\n"
        ".uleb128 1\n"
        ".sleb128 -8\n"
        ".byte 16\n"
        ".uleb128 1\n"
        ".byte 0x1b\n"
        ".balign 8, 0\n"
        "cie_end:\n"
        ".long fde_end - fde_start\n"
        "fde_start: .long fde_start - cie\n"
        ".long idle - .\n"
        ".long idle_end - idle\n"
        ".uleb128 0\n"
        ".fill 8 << 20, 2, 0x002e\n"
        ".balign 8, 0\n"
        "fde_end:\n"
        ".text\n");

int heavy(void);

int heavy(void)
{
    return 1;
}
