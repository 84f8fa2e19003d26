import { spawnSync } from 'node:child_process';
import { resolve } from 'node:path';
import { parseArgs } from 'node:util';
import { isolateNetwork } from '../support/isolated.ts';

const HELP = `npm run test:docker -- [--only NAME] [--json FILE] [--quick] [PATTERN ...]

Everything about Docker, on engines of its own. Needs root and docker.io.

  --only NAME   one resilience scenario, such as s49 or twenty-kills
  --json FILE   where to keep what the scenarios took     (default: build/resilience.json)
  --quick       only what npm test does
  PATTERN       only test files whose path matches
`;

const { values, positionals } = parseArgs({
  allowPositionals: true,
  options: {
    only: { type: 'string' },
    json: { type: 'string', default: 'build/resilience.json' },
    quick: { type: 'boolean', default: false },
    help: { type: 'boolean', short: 'h', default: false },
  },
});
if (values.help) {
  process.stdout.write(HELP);
  process.exit(0);
}
isolateNetwork();
const patterns = values.only === undefined ? positionals : ['docker/resilience'];
const words = [
  ...['node_modules/jest/bin/jest.js', '--runInBand', '--forceExit', '--selectProjects', 'docker'],
  ...(patterns.length === 0 ? [] : ['--testPathPatterns', ...patterns]),
  ...(values.only === undefined ? [] : ['--testNamePattern', `\\[${values.only}\\]`]),
];
const { status } = spawnSync(process.execPath, words, {
  stdio: 'inherit',
  env: {
    ...process.env,
    ...(values.quick ? {} : { KEELSON_DOCKER_SUITE: 'all' }),
    KEELSON_DOCKER_JSON: resolve(values.json),
  },
});
process.exit(status ?? 1);
