# The Dockerfile language: expansion of words.
load lib/common
load lib/build
load lib/language

@test "quotes and escapes" {
	expands PWD=/home SHELL=bash NULL= <<-'EOF'
		hello => hello
		he'll'o => hello
		he\'llo => he'llo
		abc\tdef => abctdef
		"abc\tdef" => abc\tdef
		"abc\\tdef" => abc\tdef
		'abc\tdef' => abc\tdef
		"hel'lo" => hel'lo
		'hello\' => hello\
		'hello\there' => hello\there
		'hello\\there' => hello\\there
		"''" => ''
		'"hello"' => "hello"
		a\ b => a b
		"a  b"c'  d' => a  bc  d
		안녕하세요 => 안녕하세요
		안'녕'하세요 => 안녕하세요
		"안녕\"하세요" => 안녕"하세요
	EOF
}

@test "plain variables" {
	expands PWD=/home SHELL=bash NULL= <<-'EOF'
		$. => $.
		he$1x => hex
		he$.x => he$.x
		he$pwd. => he.
		he$PWD => he/home
		he\$PWD => he$PWD
		he\\$PWD => he\/home
		"he\$PWD" => he$PWD
		"he\\$PWD" => he\/home
		\${} => ${}
		\${}aaa => ${}aaa
		he\${}xx => he${}xx
		he${hi}xx => hexx
		he${PWD} => he/home
		'he${XX}' => he${XX}
		"he${PWD}" => he/home
		"he'$PWD'" => he'/home'
		'$PWD' => $PWD
		'\$PWD' => \$PWD
		$PWD$SHELL => /homebash
		$PWD_x => 
		$SHELL-x => bash-x
		a$ => a$
		"$" => $
		$/x => $/x
		$=x => $=x
	EOF
}

@test "names that start with a digit, and special ones" {
	expands <<-'EOF'
		$999aaa => aaa
		x$1y => xy
		x$@y => xy
		x$*y => xy
		x$#y => xy
		x$?y => xy
		x$-y => xy
		x$!y => xy
		x$$y => xy
		x$0y => xy
		x${1}y => xy
		x${@}y => xy
	EOF
}

@test "defaults, alternatives, and what is required" {
	expands PWD=/home SHELL=bash NULL= <<-'EOF'
		he${XXX:-000}xx => he000xx
		he${XXX-000}xx => he000xx
		he${NULL:-000}xx => he000xx
		he${NULL-000}xx => hexx
		he${PWD:-000}xx => he/homexx
		he${XXX:-$PWD}xx => he/homexx
		he${XXX:-${PWD:-yyy}}xx => he/homexx
		he${XXX:-${YYY:-yyy}}xx => heyyyxx
		he${XXX:-}xx => hexx
		he${XXX:+${PWD}}xx => hexx
		he${PWD:+${XXX}}xx => hexx
		he${PWD:+${SHELL}}xx => hebashxx
		he${PWD:+000}xx => he000xx
		he${NULL:+000}xx => hexx
		he${NULL+000}xx => he000xx
		he${XXX+000}xx => hexx
		he${PWD?} => he/home
		he${PWD:?none} => he/home
		he${NULL?} => he
		he${PWD:+${PWD}:}xx => he/home:xx
		he${XXX:-\$PWD:}xx => he$PWD:xx
		he${XXX:-\${PWD}z}xx => he${PWDz}xx
		"${XXX:-a b}" => a b
		"${XXX:-'q'}" => q
		${XXX:-"a b"} => a b
		${XXX:-a:b} => a:b
		${XXX:-{a}} => {a}
	EOF
}

@test "patterns: shortest and longest, from both ends" {
	expands FOO=xoxo BAR=a/b/c.tar.gz 'STAR="a*b"' 'Q="a?b"' 'BR="a[b]c"' 'CURLY="a}b"' 'BACK="a\\b"' NULL= <<-'EOF'
		${FOO#x} => oxo
		${FOO#*x} => oxo
		${FOO##*x} => o
		${FOO#?} => oxo
		${FOO##??} => xo
		${FOO%o} => xox
		${FOO%x*} => xo
		${FOO%%x*} => 
		${FOO%?} => xox
		${FOO#nothing} => xoxo
		${FOO%nothing} => xoxo
		${FOO#} => xoxo
		${BAR#*/} => b/c.tar.gz
		${BAR##*/} => c.tar.gz
		${BAR%.*} => a/b/c.tar
		${BAR%%.*} => a/b/c
		${BAR%/*} => a/b
		${BAR%%/*} => a
		${STAR#a\*} => b
		${Q#a\?} => b
		${BR#a[b]} => c
		${BR#a[} => b]c
		${CURLY#a\}} => b
		${NULL#x} => 
		${NONE%%x} => 
	EOF
}

@test "patterns: replacing" {
	expands FOO=xoxo BAR=a/b/c S=. NULL= 'D="a.b.c"' <<-'EOF'
		${FOO/x/y} => yoxo
		${FOO//x/y} => yoyo
		${FOO/x/} => oxo
		${FOO//o/} => xx
		${FOO/?/y} => yoxo
		${FOO//?/y} => yyyy
		${FOO/x*x/y} => yo
		${FOO/nothing/y} => xoxo
		${BAR/\//-} => a-b/c
		${BAR//\//-} => a-b-c
		${FOO/x/\/} => \/oxo
		${D//./-} => a-b-c
		${D//$S/_} => a_b_c
		${FOO//x/$S} => .o.o
		${NULL/x/y} => 
	EOF
}

@test "the escape character of the file is that of words" {
	escape_directive='# escape=`' expands PWD=/home <<-'EOF'
		`$PWD => $PWD
		\$PWD => \/home
		"`$PWD" => $PWD
		"\n" => \n
		a`bc => abc
		'a`b' => a`b
	EOF
}

@test "what cannot be expanded" {
	refuses_each <<-'EOF'
		ENV A=he'llo => Dockerfile:2
		ENV A="hello => Dockerfile:2
		ENV A=${} => Dockerfile:2
		ENV A=${:x} => Dockerfile:2
		ENV A=${{x} => Dockerfile:2
		ENV A=${.} => Dockerfile:2
		ENV A=he${PWD => Dockerfile:2
		ENV A=${PATH:=000} => unsupported modifier
		ENV A=${PATH=000} => unsupported modifier
		ENV A=${PATH:YYY} => unsupported modifier
		ENV A=${PATH:#x} => unsupported modifier
		ENV A=${XXX?} => XXX
		ENV A=${XXX:?must be} => must be
		ENV N=\nENV A=${N:?is empty} => is empty
		ENV A=${PATH#\\x} => Dockerfile:2
	EOF
}

@test "where words are expanded" {
	dockerfile <<-'EOF'
		ARG BASE=busybox
		FROM ${BASE}
		ENV V=value N=4 P=80 D=/dir MODE=640 F=one S=SIGUSR1
		ENV K_$V=1 "Q $V"=2
		LABEL l$V=$V
		EXPOSE $P 1$P/udp
		VOLUME $D/v ["x"]
		VOLUME ["$D/json"]
		WORKDIR $D
		USER $N:${N}0
		STOPSIGNAL $S
		COPY --chown=$N:$P --chmod=$MODE $F $D/$V
		COPY ["${F}", "$D/json-$V"]
		ADD --chown=$N $F add-$V
		COPY <<EOT heredoc
		$V
		EOT
		RUN --mount=type=bind,source=$F,target=$D/mount test "$(cat mount)" = one
		RUN test "$(stat -c %u:%g:%a /dir/value)" = 4:80:640 && test -e json-value -a -e add-value && test "$(cat heredoc)" = value
	EOF
	build
	has_config '"K_value=1" in c["Env"] and c["Labels"] == {"lvalue": "value"} and "Q value=2" in c["Env"]'
	has_config 'sorted(c["ExposedPorts"]) == ["180/udp", "80/tcp"] and c["User"] == "4:40" and c["StopSignal"] == "SIGUSR1"'
	has_config '"/dir/v" in c["Volumes"] and "/dir/json" in c["Volumes"]'
}

@test "where words are not expanded" {
	dockerfile <<-'EOF'
		FROM busybox
		ENV V=value
		MAINTAINER $V
		SHELL ["/bin/sh", "-c", "echo $V; eval \"$0\""]
		CMD $V
		ENTRYPOINT ["$V"]
		HEALTHCHECK CMD $V
		ONBUILD RUN echo $V
	EOF
	build
	has_config 'image["author"] == "$V" and c["Shell"][2].startswith("echo $V") and c["Cmd"][3] == "$V"'
	has_config 'c["Entrypoint"] == ["$V"] and c["Healthcheck"]["Test"] == ["CMD-SHELL", "$V"] and c["OnBuild"] == ["RUN echo $V"]'
}

@test "one word keeps its blanks, EXPOSE splits what a variable holds" {
	dockerfile <<-'EOF'
		FROM busybox
		ENV V="a  b" P="80 81"
		ENV W=$V
		LABEL l=$V
		WORKDIR "/$V"
		EXPOSE $P
	EOF
	build
	has_config '"W=a  b" in c["Env"] and c["Labels"]["l"] == "a  b" and c["WorkingDir"] == "/a  b"'
	has_config 'sorted(c["ExposedPorts"]) == ["80/tcp", "81/tcp"]'
}

@test "a variable that is not there is nothing, and --check suggests one" {
	dockerfile <<-'EOF'
		FROM busybox
		ENV VERSION=1
		ENV A=x${VERSOIN}y
	EOF
	build
	has_config '"A=xy" in c["Env"]'
	run cooper build --check "$context"
	assert_output_has UndefinedVar
	assert_output_has "did you mean \$VERSION"
}
