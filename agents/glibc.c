/*
 * In place of parts of a static glibc that an agent never uses, and that bring a tenth of its weight along: messages in
 * the user's language, printing, scanning, and loading libraries. A Rust program does all of that itself or not at all.
 *
 * Only where the agent is built for glibc; build.rs links it before the C library, and the first definition counts.
 */
#include <errno.h>
#include <stddef.h>

/* What cannot be shown is not worth showing: the program ends. */
_Noreturn void __assert_fail(const char *assertion, const char *file, unsigned line, const char *function)
{
	(void)assertion, (void)file, (void)line, (void)function;
	__builtin_trap();
}

/* Messages as they are written. */
char *__dcgettext(const char *domain, const char *message, int category)
{
	(void)domain, (void)category;
	return (char *)message;
}

char *dcgettext(const char *domain, const char *message, int category)
{
	return __dcgettext(domain, message, category);
}

/* Reports of the allocator and the resolver, which nobody asks for. */
int fprintf(void *stream, const char *format, ...)
{
	(void)stream, (void)format;
	return -1;
}

int __fxprintf(void *stream, const char *format, ...)
{
	(void)stream, (void)format;
	return -1;
}

/* Rust asks for newer functions of a C library it may have been started with; here there is none but this one. */
void *dlsym(void *handle, const char *name)
{
	(void)handle, (void)name;
	return NULL;
}

/* Rust asks where the stack of the first thread ends, to say so where it overflows; without an answer it is a plain fault. */
int pthread_getattr_np(unsigned long thread, void *attributes)
{
	(void)thread, (void)attributes;
	return ENOSYS;
}
