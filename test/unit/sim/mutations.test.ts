import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { findMutation, MUTATIONS } from '../../sim/mutations.ts';
import { applyPatch } from '../../sim/patch.ts';

/** That each is found by chance is shown by e2e/simulator. */
const ROOT = join(__dirname, '../../..');

describe('a deliberate bug', () => {
  test.each(MUTATIONS.map(({ name }) => name))('has its place in the sources: %s', (name) => {
    for (const patch of findMutation(name).patches) {
      const source = readFileSync(join(ROOT, patch.file), 'utf8');
      expect(applyPatch(source, patch)).not.toBe(source);
    }
  });

  test('is refused when its place is not there, or not once', () => {
    const patch = { file: 'f', find: 'a', replace: 'b' };
    expect(applyPatch('xax', patch)).toBe('xbx');
    expect(() => applyPatch('xx', patch)).toThrow('got 0 times');
    expect(() => applyPatch('aa', patch)).toThrow('got 2 times');
  });

  test('has a name that is known', () => {
    expect(() => findMutation('none')).toThrow('expected one of acknowledge-before-record');
  });
});
