# cooper build: links in the image on the way of WORKDIR, COPY and ADD.
load lib/common
load lib/build

@test "a destination behind a link that leads nowhere is made where the link points, inside the image" {
	dockerfile <<-'EOF'
		FROM busybox
		RUN ln -s /gone/deep /src && ln -s ../../../away /out && ln -s relative /tmp/rel
		COPY one /src/
		COPY dir /out/
		WORKDIR /tmp/rel/below
		RUN pwd >/where && test -s /gone/deep/one && test -s /away/flat && test -L /src -a -L /out -a -L /tmp/rel
		WORKDIR /src
		ADD two .
	EOF
	build
	run -0 inside 'cat /where /gone/deep/two; ls /tmp/relative'
	assert_output_is $'/tmp/relative/below\ntwo\nbelow'
}

@test "a file that is copied onto a link goes where the link leads; one in a directory takes a link's place" {
	dockerfile <<-'EOF'
		FROM busybox
		RUN mkdir /d && echo old >/target && ln -s /target /link && ln -s /target /d/two && ln -s ../../later /soon
		COPY one /link
		COPY two /d/
		COPY two /soon
		COPY --link two /other
		RUN test -L /link -a ! -L /d/two -a -L /soon
	EOF
	build
	run -0 inside 'cat /target /d/two /later'
	assert_output_is $'one\ntwo\ntwo'
}
