import { Screen } from '../../../../orchestrator/cli/screen.ts';

function makeScreen(columns?: number) {
  const written: string[] = [];
  const channel = { write: (text: string) => written.push(text), isInteractive: true, columns };
  return { screen: new Screen(channel), written };
}

test('a table is replaced by the next one, and lines stay above it', () => {
  const { screen, written } = makeScreen();
  screen.print('one\n');
  screen.draw('a\nb\n');
  screen.print('two\n');
  screen.draw('c\n');
  screen.draw('');
  screen.print('three\n');
  expect(written).toEqual([
    ...[
      'one\n',
      'a\nb\n',
      '\x1b[2F\x1b[Jtwo\na\nb\n',
      '\x1b[2F\x1b[Jc\n',
      '\x1b[1F\x1b[J',
      'three\n',
    ],
  ]);
});

test('a line that is longer than the terminal is wide is replaced as a whole', () => {
  const { screen, written } = makeScreen(10);
  screen.draw(`${'x'.repeat(21)}\n\n${'y'.repeat(10)}\n`);
  screen.draw('');
  expect(written[1]).toBe('\x1b[5F\x1b[J'); // 3 rows of x, an empty one, 1 of y
});
