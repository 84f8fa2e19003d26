/*
 * Lets User-mode Linux 6.1 run on CPUs with AMX (Sapphire Rapids and later).
 *
 * UML keeps 832 bytes of floating-point state per thread: x87, SSE and AVX. The host kernel takes
 * PTRACE_SETREGSET only with a whole XSAVE area, which AMX grew to 11 KiB, so UML dies at its first
 * user instruction with "ptrace set fp regs failed, errno = 14". This wrapper pads what UML has to
 * the size that the host wants. The rest is left in its initial state; the guest is told through
 * GLIBC_TUNABLES not to use it (AVX-512).
 */
#define _GNU_SOURCE
#include <dlfcn.h>
#include <elf.h>
#include <stdarg.h>
#include <stdint.h>
#include <string.h>
#include <sys/ptrace.h>
#include <sys/types.h>
#include <sys/uio.h>

#define XSAVE_LIMIT 65536
#define XSTATE_BV_OFFSET 512
#define X87_SSE_AVX 7u

static long (*real_ptrace)(int, pid_t, void *, void *);

static long set_whole_area(pid_t pid, const struct iovec *given) {
  static unsigned char area[XSAVE_LIMIT] __attribute__((aligned(64)));
  static size_t whole;
  if (whole == 0) {
    struct iovec probe = {area, sizeof area};
    if (real_ptrace(PTRACE_GETREGSET, pid, (void *)NT_X86_XSTATE, &probe) < 0) return -1;
    whole = probe.iov_len;
  }
  memset(area, 0, whole);
  memcpy(area, given->iov_base, given->iov_len);
  uint64_t features;
  memcpy(&features, area + XSTATE_BV_OFFSET, sizeof features);
  features &= X87_SSE_AVX;
  memcpy(area + XSTATE_BV_OFFSET, &features, sizeof features);
  struct iovec padded = {area, whole};
  return real_ptrace(PTRACE_SETREGSET, pid, (void *)NT_X86_XSTATE, &padded);
}

long ptrace(enum __ptrace_request request, ...) {
  va_list arguments;
  va_start(arguments, request);
  pid_t pid = va_arg(arguments, pid_t);
  void *address = va_arg(arguments, void *);
  void *data = va_arg(arguments, void *);
  va_end(arguments);
  if (real_ptrace == NULL) real_ptrace = (long (*)(int, pid_t, void *, void *))dlsym(RTLD_NEXT, "ptrace");
  if (request == PTRACE_SETREGSET && address == (void *)NT_X86_XSTATE) return set_whole_area(pid, data);
  return real_ptrace(request, pid, address, data);
}
