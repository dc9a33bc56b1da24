/* What the demo's minimal image holds: one static program. */
#include <stdio.h>

int main(void)
{
	puts("Hello from an image that holds one file and was built without root.");
	return 0;
}
