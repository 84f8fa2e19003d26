# Calls a Docker plugin as Docker does: one POST of JSON over SOCKET, again while nobody answers or the
# answer breaks off; Docker does that for 30 s. Prints the body of the answer.
use strict;
use warnings;
use IO::Socket::UNIX;
use Time::HiRes qw(sleep time);

my ($socket, $call, $json) = @ARGV;
my $end = time + 110;
until (time > $end) {
  my $to = IO::Socket::UNIX->new(Type => SOCK_STREAM, Peer => $socket);
  if ($to) {
    local $SIG{PIPE} = 'IGNORE';
    my $length = length $json;
    print $to "POST /$call HTTP/1.1\r\nHost: plugin\r\nConnection: close\r\nContent-Length: $length\r\n\r\n$json";
    $to->flush;
    my $answer = do { local $/; <$to> } // '';
    if ($answer =~ /^HTTP\/1\.1 \d+.*?\r\n\r\n(.+)$/s) {
      print $1;
      exit 0;
    }
  }
  sleep 0.1;
}
die "$call: no answer within 110 s\n";
