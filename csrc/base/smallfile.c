#include "base/smallfile.h"

#include <fcntl.h>
#include <sys/types.h>
#include <unistd.h>

bool smallfile_read(const char *path, char *text, size_t room)
{
    int fd = open(path, O_RDONLY | O_CLOEXEC);
    if (fd < 0)
        return false;
    ssize_t n = read(fd, text, room - 1);
    close(fd);
    text[n > 0 ? n : 0] = '\0';
    return n > 0;
}
