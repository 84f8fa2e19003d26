import { readCorpus } from '../../fuzz/corpus.ts';
import { whyFails } from '../../fuzz/fuzz.ts';
import { TARGETS } from '../../fuzz/targets/index.ts';

const corpus = readCorpus();

test('every corpus file belongs to a target', () => {
  const names = TARGETS.map(({ name }) => name);
  expect(corpus.filter(({ target }) => !names.includes(target)).map(({ file }) => file)).toEqual(
    [],
  );
});

test.each(TARGETS.map(({ name }) => name))(
  'I11 %s: no input that ever failed fails again',
  (name) => {
    const target = TARGETS.find((candidate) => candidate.name === name)!;
    const failures = corpus
      .filter((file) => file.target === name)
      .map(({ file, input }) => ({ file, reason: whyFails(target, input) }))
      .filter(({ reason }) => reason !== undefined);
    expect(failures).toEqual([]);
  },
);
