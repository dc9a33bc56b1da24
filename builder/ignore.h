/*
 * Docker's rules of what is left out; they are part of the language.
 */
#ifndef COOPER_BUILDER_IGNORE_H
#define COOPER_BUILDER_IGNORE_H

#include "dockerfile/ignore.h"

#endif
