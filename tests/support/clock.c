// Sets the clock of a process ahead by the microseconds in a file, or behind where they are negative. Loaded by LD_PRELOAD.
#define _GNU_SOURCE
#include <fcntl.h>
#include <stdint.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <sys/time.h>
#include <time.h>
#include <unistd.h>

static int64_t now_micros(void) {
    static volatile int64_t *ahead = NULL;
    if (!ahead) {
        int file = open(getenv("CLOCK_AHEAD"), O_RDONLY);
        void *mapped = mmap(NULL, sizeof *ahead, PROT_READ, MAP_SHARED, file, 0);
        if (mapped == MAP_FAILED) _exit(1);
        ahead = mapped;
    }
    struct timespec at;
    syscall(SYS_clock_gettime, CLOCK_REALTIME, &at);
    return at.tv_sec * 1000000 + at.tv_nsec / 1000 + *ahead;
}

int gettimeofday(struct timeval *restrict at, void *restrict zone) {
    (void)zone;
    int64_t now = now_micros();
    at->tv_sec = now / 1000000;
    at->tv_usec = now % 1000000;
    return 0;
}

time_t time(time_t *at) {
    time_t seconds = now_micros() / 1000000;
    if (at) *at = seconds;
    return seconds;
}

int clock_gettime(clockid_t id, struct timespec *at) {
    if (id != CLOCK_REALTIME && id != CLOCK_REALTIME_COARSE) return syscall(SYS_clock_gettime, id, at);
    int64_t now = now_micros();
    at->tv_sec = now / 1000000;
    at->tv_nsec = now % 1000000 * 1000;
    return 0;
}
