# cooper build: Dockerfiles as those are written that most images come from. The words are our own, the habits are theirs:
# comments and blank continuations within one long RUN, functions and case in sh, tools that are installed and purged in
# one step, entry points that are copied last, sets of platforms, legacy ENV.
# shellcheck shell=bash disable=SC2154
load lib/common
load lib/build

setup_file() {
	common_setup_file
	use_busybox
}

setup() {
	make_context
	printf '#!/bin/sh\nexec "$@"\n' >entry.sh
	chmod 755 entry.sh
}

@test "a database: fixed ids, comments within a step, a volume, a signal" {
	dockerfile <<-'EOF'
		#
		# NOTE: this file is generated, do not edit it
		#

		FROM busybox

		# ids first, so that they never change
		RUN set -eux; \
			echo "store:x:999:" >> /etc/group; \
		# the shell is there for "su"
			echo "store:x:999:999::/var/lib/store:/bin/sh" >> /etc/passwd; \
			mkdir -p /var/lib/store; \
			chown -R store:store /var/lib/store

		ENV STORE_MAJOR 17
		ENV PATH $PATH:/usr/lib/store/$STORE_MAJOR/bin
		ENV STORE_VERSION 17.2-1

		RUN set -ex; \
			\
		# see below
			export QUIET=1; \
			\
			arch="$(uname -m)"; \
			case "$arch" in \
				x86_64 | aarch64) \
		# built elsewhere
					echo "deb [ signed-by=/key ] http://example.invalid/ main $STORE_MAJOR" > /list; \
					;; \
				*) \
					_from_source() { \
						echo source > /list; \
					}; \
					_from_source; \
					;; \
			esac; \
			\
			mkdir -p "/usr/lib/store/$STORE_MAJOR/bin" /usr/share/store; \
			printf '#!/bin/sh\necho "store %s"\n' "$STORE_VERSION" > "/usr/lib/store/$STORE_MAJOR/bin/stored"; \
			chmod +x "/usr/lib/store/$STORE_MAJOR/bin/stored"; \
			echo "#listen = 'localhost'   # what to listen on" > /usr/share/store/conf.sample; \
			sed -ri "s!^#?(listen)\s*=\s*\S+.*!\1 = '*'!" /usr/share/store/conf.sample; \
			grep -F "listen = '*'" /usr/share/store/conf.sample; \
			stored

		ENV STORE_DATA /var/lib/store/data
		# 1777 is for those who run it under any id
		RUN mkdir -p "$STORE_DATA" && chown -R store:store "$STORE_DATA" && chmod 1777 "$STORE_DATA"
		VOLUME /var/lib/store/data

		COPY entry.sh /usr/local/bin/
		RUN ln -s usr/local/bin/entry.sh / # backwards compat
		ENTRYPOINT ["entry.sh"]

		# Fast shutdown
		STOPSIGNAL SIGINT
		#
		# The default in most runtimes is 10 seconds.

		EXPOSE 5432
		CMD ["stored"]
	EOF
	build
	has_config 'c["Env"][1:] == ["STORE_MAJOR=17", "STORE_VERSION=17.2-1", "STORE_DATA=/var/lib/store/data"]'
	has_config 'c["Env"][0].endswith(":/usr/lib/store/17/bin")'
	has_config 'c["Entrypoint"] == ["entry.sh"] and c["Cmd"] == ["stored"] and c["StopSignal"] == "SIGINT"'
	has_config 'c["Volumes"] == {"/var/lib/store/data": {}} and c["ExposedPorts"] == {"5432/tcp": {}}'
	has_config 'history[-1] == "CMD [\"stored\"]" and history[-4] == "ENTRYPOINT [\"entry.sh\"]"'
	# Comments within it are not part of a step, what stands behind a command is.
	has_config 'any(h.startswith("RUN /bin/sh -c set -eux; echo \"store:x:999:\" >> /etc/group; echo \"store") for h in history)'
	has_config 'any("# backwards compat # buildkit" in h for h in history) and not any("ids first" in h or "see below" in h for h in history)'
	[ "$(inside 'cat /list; stored; stat -c "%a %u:%g" /var/lib/store/data; readlink /entry.sh; id -u store')" = \
		$'deb [ signed-by=/key ] http://example.invalid/ main 17\nstore 17.2-1\n1777 999:999\nusr/local/bin/entry.sh\n999' ]
}

@test "a compiler: a stage that fetches, a tree that is copied by itself, dates that are kept" {
	dockerfile <<-'EOF'
		FROM busybox AS build

		ENV PATH /usr/local/tool/bin:$PATH
		ENV TOOL_VERSION 1.22.5

		RUN set -eux; \
			now="$(date '+%s')"; \
			arch="$(uname -m)"; arch="${arch##*-}"; \
			url=; \
			case "$arch" in \
				'x86_64') \
					url='https://example.invalid/tool.amd64.tar.gz'; \
					;; \
				*) url=other ;; \
			esac; \
			\
			mkdir -p /usr/local/tool/bin; \
			printf '#!/bin/sh\necho tool %s\n' "$TOOL_VERSION" > /usr/local/tool/bin/tool; chmod +x /usr/local/tool/bin/tool; \
			touch -d @1500000000 /usr/local/tool/bin/tool; \
		# logged for those who look
			date -u -d "@$now"; \
			[ "$(stat -c '%Y' /usr/local/tool/bin/tool)" -lt "$now" ]; \
			tool

		FROM busybox

		# (see the notes above)
		ENV TOOL_VERSION 1.22.5
		ENV TOOLCHAIN=local
		ENV TOOLPATH /work
		ENV PATH $TOOLPATH/bin:/usr/local/tool/bin:$PATH
		COPY --from=build --link /usr/local/tool/ /usr/local/tool/
		RUN mkdir -p "$TOOLPATH/src" "$TOOLPATH/bin" && chmod -R 1777 "$TOOLPATH"
		WORKDIR $TOOLPATH
	EOF
	build
	has_config 'c["WorkingDir"] == "/work" and c["Env"][0].startswith("PATH=/work/bin:/usr/local/tool/bin:/")'
	has_config '"Cmd" in c and "Entrypoint" not in c'
	[ "$(inside 'tool; stat -c %Y /usr/local/tool/bin/tool; stat -c %a /work/src; pwd')" = $'tool 1.22.5\n1500000000\n1777\n/work' ]
}

@test "a server: packages in a variable over lines, logs to descriptors, a template of a template" {
	dockerfile <<-'EOF'
		ARG VARIANT=light
		FROM busybox AS light
		FROM busybox AS full
		RUN false

		FROM ${VARIANT}
		LABEL maintainer="The Server Maintainers <server@example.invalid>"

		ENV SERVER_VERSION   1.22.1
		ENV MODULE_VERSION   0.8.4
		ENV RELEASE          2~any

		RUN set -x \
		# a user of its own
		    && echo server:x:101: >> /etc/group \
		    && echo "server:x:101:101:server user:/nonexistent:/sbin/nologin" >> /etc/passwd \
		    && packages=" \
		        server=${SERVER_VERSION}-${RELEASE} \
		        module=${SERVER_VERSION}+${MODULE_VERSION}-${RELEASE} \
		    " \
		    && for package in $packages; do \
		        echo "$package" >> /installed; \
		    done \
		    \
		# what is left of building
		    && if [ -n "$tempDir" ]; then \
		        rm -rf "$tempDir"; \
		    fi \
		    && mkdir -p /var/log/server \
		    && ln -sf /dev/stdout /var/log/server/access.log \
		    && ln -sf /dev/stderr /var/log/server/error.log \
		    && mkdir /entry.d

		COPY entry.sh /
		COPY one /entry.d
		COPY two /entry.d/20-two.sh
		ENTRYPOINT ["/entry.sh"]
		EXPOSE 80 443
		STOPSIGNAL SIGQUIT
		CMD ["server", "-g", "daemon off;"]
	EOF
	build
	has_config 'c["Labels"] == {"maintainer": "The Server Maintainers <server@example.invalid>"}'
	has_config 'c["Cmd"] == ["server", "-g", "daemon off;"] and sorted(c["ExposedPorts"]) == ["443/tcp", "80/tcp"]'
	[ "$(inside 'cat /installed; readlink /var/log/server/error.log; ls /entry.d')" = \
		$'server=1.22.1-2~any\nmodule=1.22.1+0.8.4-2~any\n/dev/stderr\n20-two.sh\none' ]
	refuses "exit code: 1" --build-arg VARIANT=full
}

@test "an application: a user, caches, a lock file first, several final stages" {
	mkdir app && echo lock >app/lock && echo 'echo app' >app/main.sh
	dockerfile <<-'EOF'
		# syntax=docker/dockerfile:1
		ARG BASE=busybox
		FROM --platform=$BUILDPLATFORM ${BASE} AS deps
		WORKDIR /app
		RUN --mount=type=cache,target=/root/.cache,sharing=locked \
		    --mount=type=bind,source=app/lock,target=lock <<-SH
			set -e
			cp lock installed
			echo "$(cat lock)" >> /root/.cache/log
		SH

		FROM deps AS build
		COPY --exclude=lock app .
		RUN mkdir dist && { echo '#!/bin/sh'; cat main.sh; } >dist/app && chmod 755 dist/app

		FROM ${BASE} AS runtime
		RUN echo user:x:10001:10001::/home/user:/bin/sh >> /etc/passwd && mkdir -m 700 /home/user && chown 10001:10001 /home/user
		USER 10001:10001
		COPY --from=build --chown=10001:10001 /app/dist/ /app/
		HEALTHCHECK --interval=5m --timeout=3s CMD /app/app || exit 1
		ENTRYPOINT ["/app/app"]

		FROM runtime AS debug
		USER root
		COPY --from=deps /app/installed /

		FROM runtime
	EOF
	build
	[[ $stderr != *"cp lock"*"cp lock"* ]]
	has_config 'c["User"] == "10001:10001" and c["Healthcheck"]["Interval"] == 300000000000'
	[ "$(inside '/app/app; stat -c %u:%g /app/app; ls /; test ! -e /app/installed' | grep -cx -e app -e 10001:10001)" -eq 3 ]
	build --target debug
	[ "$(inside 'cat /installed; id -u')" = $'lock\n0' ]
	# A change of the source leaves what the lock file gave.
	echo 'echo changed' >app/main.sh
	build
	[[ $stderr == *"Using cache"* ]]
	[ "$(inside /app/app)" = changed ]
}
