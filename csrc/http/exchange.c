#include "http/exchange.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define MAX_ERROR_TEXT 512 /* a reason is 256 */

const char *exchange_phrase(int code)
{
    switch (code) {
    case 200: return "OK";
    case 201: return "Created";
    case 202: return "Accepted";
    case 204: return "No Content";
    case 301: return "Moved Permanently";
    case 302: return "Found";
    case 303: return "See Other";
    case 304: return "Not Modified";
    case 307: return "Temporary Redirect";
    case 400: return "Bad Request";
    case 401: return "Unauthorized";
    case 403: return "Forbidden";
    case 404: return "Not Found";
    case 405: return "Method Not Allowed";
    case 413: return "Request Entity Too Large";
    case 414: return "Request URI Too Long";
    case 417: return "Expectation Failed";
    case 431: return "Request Header Fields Too Large";
    case 500: return "Internal Server Error";
    case 501: return "Not Implemented";
    case 503: return "Service Unavailable";
    case 505: return "HTTP Version Not Supported";
    }
    return "Error";
}

bool exchange_has_body(int code)
{
    return code >= 200 && code != 204 && code != 304;
}

enum exchange_method exchange_method_of(const char *method)
{
    if (strcmp(method, "GET") == 0)
        return METHOD_GET;
    if (strcmp(method, "HEAD") == 0)
        return METHOD_HEAD;
    return strcmp(method, "POST") == 0 ? METHOD_POST : METHOD_OTHER;
}

const char *exchange_header(const struct exchange *ex, const char *name, size_t n)
{
    return ex->port->header(ex, name, n);
}

void exchange_set(struct exchange *ex, const char *name, const char *value)
{
    ex->port->set(ex, name, value);
}

void exchange_reply(struct exchange *ex, int code, const char *content_type)
{
    if (content_type)
        exchange_set(ex, "Content-Type", content_type);
    if (!exchange_has_body(code))
        buf_fini(&ex->out);
    ex->port->reply(ex, code);
}

void exchange_refuse(struct exchange *ex, int code, const char *text)
{
    buf_fini(&ex->out);
    buf_printf(&ex->out, "%s\n", text);
    exchange_set(ex, "X-Content-Type-Options", "nosniff");
    exchange_reply(ex, code, "text/plain; charset=utf-8");
}

void exchange_error(struct exchange *ex, int code, const char *format, ...)
{
    char text[MAX_ERROR_TEXT];
    va_list args;
    va_start(args, format);
    vsnprintf(text, sizeof text, format, args);
    va_end(args);
    exchange_set(ex, "Content-Disposition", NULL);
    exchange_set(ex, "X-Go-Pprof", "1");
    exchange_refuse(ex, code, text);
}

const char *exchange_because(const struct exchange *ex)
{
    return *ex->why.text ? ex->why.text : status_text(ex->status);
}

void exchange_wait(struct exchange *ex, int64_t ns, void (*then)(struct exchange *ex))
{
    ex->port->wait(ex, ns, then);
}

void exchange_run(struct exchange *ex, void (*job)(struct exchange *ex), void (*then)(struct exchange *ex))
{
    ex->port->run(ex, job, then);
}

void exchange_call(struct exchange *ex, struct call *c, void (*then)(struct exchange *ex, struct call *c, bool late))
{
    ex->port->call(ex, c, then);
}

void exchange_free(struct exchange *ex)
{
    if (ex->call)
        call_forget(ex->call);
    if (ex->drop)
        ex->drop(ex);
    buf_fini(&ex->body);
    buf_fini(&ex->out);
    free(ex->uri);
    free(ex);
}
