import { readdirSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { Scenario } from '../../sim/scenario.ts';
import { formatScenario, parseScenario } from '../../sim/scenario-file.ts';

const FOLDER = join(__dirname, '../../scenarios');
const files = readdirSync(FOLDER).filter((name) => name.endsWith('.txt'));

/** Set it to write what happens now into the files; then read the difference. */
const REWRITES = process.env.KEELSON_REWRITE_SCENARIOS !== undefined;

test('there are scenarios', () => {
  expect(files.length).toBeGreaterThan(10);
});

describe.each(files)('scenario %s', (name) => {
  test('goes as it is told', () => {
    const path = join(FOLDER, name);
    const told = readFileSync(path, 'utf8');
    const steps = parseScenario(told);
    const scenario = new Scenario();
    const happened = formatScenario(
      steps,
      steps.map((step) => scenario.play(step)),
    );
    expect(scenario.faults()).toEqual([]);
    expect(happened).not.toContain('VIOLATION');
    if (REWRITES) writeFileSync(path, happened);
    else expect(happened).toBe(told);
  });
});
