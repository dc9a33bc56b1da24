# Children, pipes, locks, signals and ids, as Perl's core has them.
use strict;
use warnings;

pipe my $read, my $write or die;
if (!fork) { close $read; print $write "from a child\n"; exit 0 }
close $write;
print <$read>;
wait;
my $sum = 0;
for my $number (1 .. 8) { fork or exit $number }
while (wait > 0) { $sum += $? >> 8 }
print "sum $sum\n";
open my $file, '>', 'locked' or die;
flock $file, 6 or die;
print "locked\n";
local $SIG{ALRM} = sub { print "alarm\n" };
alarm 1;
select undef, undef, undef, 5;
$> = 1000;
print "user $>\n";
$> = 0;
print "user $>\n";
print join(' ', (stat '/etc/passwd')[4, 5]), "\n";
system 'kill -TERM $$';
print "ended by $?\n";
rename 'locked', 'renamed' or die;
print join(' ', sort glob '/w/*'), "\n";
