# What a Fedora image does with packages: builds two, makes a repository of them, installs from it by dnf, verifies, changes,
# removes and installs again; then the same into another root, as who makes minimal images does.
set -eu
cd "$(dirname "$0")"
export HOME=/root LC_ALL=C.UTF-8
mkdir -p /etc/rpm /repo /var/log
# Debian's rpm has its data base in the home directory, a system of packages has it here. Nothing is stripped.
printf '%%_dbpath /var/lib/rpm\n%%_build_id_links none\n%%_buildhost builder\n%%__os_install_post %%{nil}\n%%debug_package %%{nil}\n' >/etc/rpm/macros
for package in base first second; do
	rpmbuild -bb --quiet --define "_topdir /tmp/build" --define "_rpmdir /repo" "$package.spec"
done
createrepo_c --quiet /repo
repository='--disablerepo=* --repofrompath=local,/repo --enablerepo=local --nogpgcheck --releasever=1 --setopt=install_weak_deps=False -q -y'

dnf $repository install base second
rpm -qa | sort
rpm -V first second
/opt/first/bin/elevated -u
setpriv --reuid=33 --regid=33 --clear-groups /opt/first/bin/mailer -g -n
test "$(tail -n 1 /opt/second/numbers)" = 100000

chown 33:33 /opt/first/etc/config
chmod 600 /opt/first/bin/ping
rpm -V first || true
dnf $repository reinstall first
rpm -V first && echo 'as it was'
echo 'answer=43' >/opt/first/etc/config
dnf $repository remove first
test ! -e /opt/first/bin && ls /opt/first/etc /opt/second 2>&1 | head -n 3
rpm -qa
dnf $repository install second
rpm -V first second

mkdir -p /target/etc /target/bin /target/usr/sbin
cp -a /etc/passwd /etc/group /target/etc/
rpm --root /target --initdb
rpm --root /target -i --nodeps --noscripts --notriggers /repo/*/first-1-1.*.rpm /repo/*/second-2-1.*.rpm
rpm --root /target -V --nodeps first second
dnf $repository --installroot=/target repoquery --installed | sort
getcap -r /opt /target
# Times and transactions are another each time.
rm -rf /tmp/build /var/cache/dnf /var/lib/dnf /var/lib/rpm /var/log/* /target/var /repo /var/cache/ldconfig
