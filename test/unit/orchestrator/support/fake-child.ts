/** Stands in for a controller or a replica: says that it is ready, and stops as they do. */
const name = process.argv[process.argv.indexOf('--volume') + 1] ?? '';

if (name.endsWith('broken')) {
  process.stderr.write('{"level":"info","message":"a log line"}\n');
  process.stderr.write('listen on 127.0.1.1:3260: the port is in use\n');
  process.exit(1);
}

process.on('SIGTERM', () => process.exit(0));
if (process.env.KEELSON_PARENT_PIPE === '1')
  process.stdin.resume().on('end', () => process.exit(0));
process.stdout.write(`ready 127.0.0.1:${process.pid}\n`);
setInterval(() => undefined, 60_000);
