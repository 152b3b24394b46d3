/*
 * In place of parts of a static glibc that an agent never uses, and that bring a tenth of its weight along: messages in
 * the user's language, printing, scanning, and loading libraries. A Rust program does all of that itself or not at all.
 * And of functions on C strings that glibc has seven times, one for each kind of processor, where an agent hardly ever
 * comes: `mem…` and `strlen`, which it calls all the time, stay as they are.
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

/* What is printed is errors that have no name, and names of threads that are not one's own: they come out empty. */
int sprintf(char *to, const char *format, ...)
{
	(void)format;
	*to = 0;
	return 0;
}

int __snprintf(char *to, size_t size, const char *format, ...)
{
	(void)format;
	if (size > 0)
		*to = 0;
	return 0;
}

int __asprintf(char **to, const char *format, ...)
{
	(void)format;
	*to = NULL;
	return -1;
}

/* No stream has wide characters, so nothing comes to what serves them, and to what converts them: only their addresses are
   taken. */
const char _IO_wfile_jumps[1], _IO_wfile_jumps_mmap[1], _IO_wfile_jumps_maybe_mmap[1], __wcsmbs_gconv_fcts_c[1];
int __gconv_lock;

int __wcsmbs_named_conv(void *conversions, const char *name)
{
	(void)conversions, (void)name;
	return 1;
}

void __gconv_release_step(void *step)
{
	(void)step;
}

void _IO_free_wbackup_area(void *stream)
{
	(void)stream;
}

void _IO_wsetb(void *stream, wchar_t *from, wchar_t *to, int own)
{
	(void)stream, (void)from, (void)to, (void)own;
}

int _IO_wdo_write(void *stream, const wchar_t *data, size_t size)
{
	(void)stream, (void)data, (void)size;
	return -1;
}

/* No library is loaded: there is no path for them, no profile of their calls, no stack they want to run code on. The
   kernel's own one is not looked into either, so that the clock is read by a system call. */
int __stack_prot;

void _dl_init_paths(const char *path, ...)
{
	(void)path;
}

void _dl_mcount(size_t from, size_t to)
{
	(void)from, (void)to;
}

void *_dl_lookup_symbol_x(const char *name, void *map, const void **symbol, ...)
{
	(void)name, (void)map;
	*symbol = NULL;
	return NULL;
}

/* Bytes of the C locale, which is the only one here. */
static int lower(unsigned char byte)
{
	return byte >= 'A' && byte <= 'Z' ? byte + ('a' - 'A') : byte;
}

static int same(unsigned char byte)
{
	return byte;
}

static int compare(const char *left, const char *right, size_t most, int (*key)(unsigned char))
{
	for (; most > 0; most--, left++, right++) {
		int difference = key((unsigned char)*left) - key((unsigned char)*right);
		if (difference != 0 || *left == 0)
			return difference;
	}
	return 0;
}

int strcmp(const char *left, const char *right)
{
	return compare(left, right, (size_t)-1, same);
}

int strncmp(const char *left, const char *right, size_t most)
{
	return compare(left, right, most, same);
}

int strcasecmp(const char *left, const char *right)
{
	return compare(left, right, (size_t)-1, lower);
}

int strncasecmp(const char *left, const char *right, size_t most)
{
	return compare(left, right, most, lower);
}

int strcasecmp_l(const char *left, const char *right, void *locale)
{
	(void)locale;
	return strcasecmp(left, right);
}

int strncasecmp_l(const char *left, const char *right, size_t most, void *locale)
{
	(void)locale;
	return strncasecmp(left, right, most);
}

char *stpcpy(char *to, const char *from)
{
	while ((*to = *from) != 0)
		to++, from++;
	return to;
}

char *strcpy(char *to, const char *from)
{
	stpcpy(to, from);
	return to;
}

char *strncpy(char *to, const char *from, size_t size)
{
	for (size_t i = 0; i < size; i++) {
		to[i] = *from;
		if (*from != 0)
			from++;
	}
	return to;
}

char *strchrnul(const char *text, int wanted)
{
	while (*text != 0 && *text != (char)wanted)
		text++;
	return (char *)text;
}

char *strchr(const char *text, int wanted)
{
	char *found = strchrnul(text, wanted);
	return *found == (char)wanted ? found : NULL;
}

char *strrchr(const char *text, int wanted)
{
	char *last = NULL;
	for (;; text++) {
		if (*text == (char)wanted)
			last = (char *)text;
		if (*text == 0)
			return last;
	}
}

void *rawmemchr(const void *bytes, int wanted)
{
	const unsigned char *at = bytes;
	while (*at != (unsigned char)wanted)
		at++;
	return (void *)at;
}

size_t strnlen(const char *text, size_t most)
{
	size_t length = 0;
	while (length < most && text[length] != 0)
		length++;
	return length;
}

char *strstr(const char *text, const char *wanted)
{
	size_t length = strnlen(wanted, (size_t)-1);
	for (;; text++) {
		if (strncmp(text, wanted, length) == 0)
			return (char *)text;
		if (*text == 0)
			return NULL;
	}
}

size_t wcsnlen(const wchar_t *text, size_t most)
{
	size_t length = 0;
	while (length < most && text[length] != 0)
		length++;
	return length;
}

size_t wcslen(const wchar_t *text)
{
	return wcsnlen(text, (size_t)-1);
}

wchar_t *wmemchr(const wchar_t *text, wchar_t wanted, size_t length)
{
	for (size_t i = 0; i < length; i++)
		if (text[i] == wanted)
			return (wchar_t *)text + i;
	return NULL;
}

/* The names by which the C library itself calls them. */
#define ALSO(name, of) extern __typeof__(of) name __attribute__((alias(#of)))
ALSO(__strcasecmp, strcasecmp);
ALSO(__strncasecmp, strncasecmp);
ALSO(__strcasecmp_l, strcasecmp_l);
ALSO(__strncasecmp_l, strncasecmp_l);
ALSO(__stpcpy, stpcpy);
ALSO(__strchrnul, strchrnul);
ALSO(index, strchr);
ALSO(rindex, strrchr);
ALSO(__rawmemchr, rawmemchr);
ALSO(__strnlen, strnlen);
ALSO(__libc_strstr, strstr);
ALSO(__wcsnlen, wcsnlen);
ALSO(__wcslen, wcslen);
ALSO(__wmemchr, wmemchr);
