/*
 * Carries the step's init inside cooper's own file, so that there is nothing to install and nothing to find at run
 * time.
 */
#include "run/init_image.h"

#include "base/fd.h"

__asm__(".section .rodata\n"
	".balign 8\n"
	".globl cooper_init_image\n"
	".hidden cooper_init_image\n"
	"cooper_init_image:\n"
	".incbin \"" INIT_IMAGE "\"\n"
	".globl cooper_init_image_end\n"
	".hidden cooper_init_image_end\n"
	"cooper_init_image_end:\n"
	".previous\n");

extern const char cooper_init_image[];
extern const char cooper_init_image_end[];

int init_image_open(struct error **err)
{
	return fd_from_memory("init", cooper_init_image, (size_t)(cooper_init_image_end - cooper_init_image), err);
}
