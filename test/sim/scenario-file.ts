/**
 * A scenario: commands, then what they bring, as in the interaction tests of etcd-io/raft.
 *
 *   # Why anybody should read this.        comments, anywhere
 *   volume replicas=1                      one or more commands
 *   start
 *   ----
 *   c1: serving …                          what happened, up to an empty line
 */
export interface Step {
  /** Comments and commands, as they stand in the file. */
  readonly lines: readonly string[];
  readonly expected: readonly string[];
}

const SEPARATOR = '----';

export function parseScenario(text: string): Step[] {
  const steps: Step[] = [];
  for (const block of text.trim().split(/\n\s*\n/)) {
    const lines = block.split('\n');
    const at = lines.indexOf(SEPARATOR);
    steps.push(
      at < 0
        ? { lines, expected: [] }
        : { lines: lines.slice(0, at), expected: lines.slice(at + 1) },
    );
  }
  return steps;
}

/** The same file with what really happened. Blocks of nothing but comments stay as they are. */
export function formatScenario(steps: readonly Step[], happened: readonly string[][]): string {
  const blocks = steps.map(({ lines }, index) =>
    isComment(lines) ? [...lines] : [...lines, SEPARATOR, ...(happened[index] ?? [])],
  );
  return `${blocks.map((lines) => lines.join('\n')).join('\n\n')}\n`;
}

export function commandsIn({ lines }: Step): string[] {
  return lines.map((line) => line.replace(/#.*/, '').trim()).filter((line) => line !== '');
}

function isComment(lines: readonly string[]): boolean {
  return lines.every((line) => line.startsWith('#'));
}
