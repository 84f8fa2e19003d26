# Appends records of 4 KiB to FILE and fsyncs each, until STOP exists. Record N holds its number
# over and over, so that a later look at the file needs no list. Prints each gap between two
# completed fsyncs of more than 50 ms as "gap END_SECONDS LENGTH_SECONDS", last "records COUNT".
use strict;
use warnings;
use IO::Handle;
use Time::HiRes qw(time);

my ($file, $stop) = @ARGV;
$| = 1;
open(my $out, '>', $file) or die "open $file: $!\n";
my ($count, $last) = (0, time);
until (-e $stop) {
  my $record = sprintf('%015d ', $count) x 256;
  syswrite($out, $record) == length $record or die "write record $count: $!\n";
  $out->sync or die "fsync record $count: $!\n";
  $count++;
  my $now = time;
  printf "gap %.3f %.3f\n", $now, $now - $last if $now - $last > 0.05;
  $last = $now;
}
print "records $count\n";
