/*
 * Carries the loader inside cooper's own file, as init_image.c does the init.
 */
#include "run/loader_image.h"

#include "base/fd.h"

__asm__(".section .rodata\n"
	".balign 8\n"
	".globl cooper_loader_image\n"
	".hidden cooper_loader_image\n"
	"cooper_loader_image:\n"
	".incbin \"" LOADER_IMAGE "\"\n"
	".globl cooper_loader_image_end\n"
	".hidden cooper_loader_image_end\n"
	"cooper_loader_image_end:\n"
	".previous\n");

extern const char cooper_loader_image[];
extern const char cooper_loader_image_end[];

int loader_image_open(struct error **err)
{
	return fd_from_memory("loader", cooper_loader_image, (size_t)(cooper_loader_image_end - cooper_loader_image),
			      err);
}
