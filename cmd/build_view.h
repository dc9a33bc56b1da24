/*
 * What somebody sees of a build: on a terminal a line for each running step below everything that was said, or one JSON
 * object per line.
 *
 *	{"event":"started","stage":1,"stages":2,"step":2,"steps":3,"text":"RUN make","time":"2026-11-22T10:33:06.25Z"}
 *	{"event":"output","text":"cc -o app app.c","time":"2026-11-22T10:33:06.31Z"}
 *	{"elapsed_ms":2810,"event":"done","size":5120,"stage":1,"stages":2,"step":2,"steps":3,"text":"RUN make",
 *	 "time":…}
 *	{"cached":false,"changes":[{"change":"content changed","name":"src/a","text":"'src/a': content changed",
 *	 "what":"file"}],"event":"why","stage":1,"stages":2,"step":2,"steps":3,"text":"","time":…}
 *	{"done":1048576,"event":"transfer","size":4194304,"text":"pull sha256:…","time":…}
 *	{"cached":1,"elapsed_ms":3102,"event":"summary","report":[…],"steps":4,"text":"","time":…}
 *
 * "started" and then "done" or "cached" come for every step (FROM is step 1 of its stage); "says" is a line of the
 * builder's; "output" a line of what steps print, and of warnings, whole, whatever its length. Lines of stages that are
 * built at the same time begin with the stage's name in brackets. A step that is started and never done has failed.
 * Where several platforms are built together, events have "platform" ("linux/arm64"), stages are counted for each of
 * them, and lines of output begin with it in brackets.
 * With --explain "why" says before a step is made or taken what has changed since the stage was built last: "what" is
 * file, variable (name only), value (of the instruction or an option), files (those past the limit of the record) or
 * note (words alone).
 * What has ended has its time and, with a layer, the size of its tar stream; "summary" (build_report.h) is
 * the last event of a build that succeeded, but for pushes. "transfer" tells a few times in a second how much of a blob
 * has come from a registry (pull) or gone to one (push).
 */
#ifndef COOPER_CMD_BUILD_VIEW_H
#define COOPER_CMD_BUILD_VIEW_H

#include "base/buf.h"
#include "builder/build.h"

enum build_view_kind { BUILD_VIEW_JSON, BUILD_VIEW_TERMINAL };

struct build_view;

/* `to` is borrowed. */
struct build_view *build_view_new(enum build_view_kind kind, int to);
void build_view_free(struct build_view *view);
CLEANUP_FOR(struct build_view, build_view_free)
/* Things happen between begin and end; end writes. `partial` is what has come of the next line of output. */
void build_view_begin(struct build_view *view);
void build_view_output(struct build_view *view, const char *line);
void build_view_event(struct build_view *view, const struct build_event *event);
void build_view_end(struct build_view *view, const char *partial);
/* The last: takes away what was only for the moment. */
void build_view_close(struct build_view *view);

#endif
