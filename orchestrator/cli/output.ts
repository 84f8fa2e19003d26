import type { Call } from './command.ts';

export const OUTPUT_FORMATS = ['table', 'wide', 'json', 'yaml'] as const;
export type OutputFormat = (typeof OUTPUT_FORMATS)[number];

/** What people read: lines, and lines with more columns where there are more to show. */
export interface Shown {
  readonly table: string;
  readonly wide?: string;
}

type Printing = Pick<Call, 'output' | 'terminal'>;

/** Prints one value as the whole output. */
export async function print(
  { output, terminal }: Printing,
  value: unknown,
  shown: Shown,
): Promise<void> {
  const text = output === 'json' ? `${JSON.stringify(value, null, 2)}\n` : undefined;
  terminal.out.write(text ?? (await showText(output, value, shown)));
}

/** One of many values: a line of JSON, or a YAML document, so that a reader knows where each ends. */
export async function showItem(
  output: OutputFormat,
  value: unknown,
  shown: Shown,
): Promise<string> {
  if (output === 'json') return `${JSON.stringify(value)}\n`;
  const text = await showText(output, value, shown);
  return output === 'yaml' ? `---\n${text}` : text;
}

async function showText(output: OutputFormat, value: unknown, shown: Shown): Promise<string> {
  if (output === 'wide') return shown.wide ?? shown.table;
  if (output !== 'yaml') return shown.table;
  // Loaded where it is used: it would make every other command a third slower to start.
  const { stringify } = await import('yaml');
  // Lines are never folded: what was one line stays one for grep.
  return stringify(value, { lineWidth: 0 });
}
