# Reads FILE as writer.pl left it: at least COUNT records, each whole and with its own number.
use strict;
use warnings;

my ($file, $count) = @ARGV;
open(my $in, '<', $file) or die "open $file: $!\n";
for my $number (0 .. $count - 1) {
  my $bytes = sysread($in, my $record, 4096);
  die "record $number of $count: got $bytes bytes\n" unless $bytes == 4096;
  die "record $number of $count: foreign content\n"
    unless $record eq sprintf('%015d ', $number) x 256;
}
print "all $count records are there\n";
