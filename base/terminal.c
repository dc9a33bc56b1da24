/*
 * Making text harmless for terminals.
 */
#include "base/terminal.h"

void terminal_disarm(char *text, size_t len)
{
	for (size_t i = 0; i < len; i++) {
		unsigned char c = (unsigned char)text[i];
		if ((c < 0x20 && c != '\n' && c != '\t') || c == 0x7f)
			text[i] = '?';
		/* U+0080 to U+009F: the same commands as ESC and a letter, in one character of two bytes. */
		if (c == 0xc2 && i + 1 < len && (unsigned char)text[i + 1] >= 0x80 &&
		    (unsigned char)text[i + 1] < 0xa0) {
			text[i] = '?';
			text[++i] = '?';
		}
	}
}
