const project = (name, extra = {}) => ({
  displayName: name,
  testEnvironment: 'node',
  testMatch: [`<rootDir>/test/${name}/**/*.test.ts`],
  transform: {
    '^.+\\.ts$': [
      '@swc/jest',
      { jsc: { parser: { syntax: 'typescript' }, target: 'es2024' }, module: { type: 'commonjs' } },
    ],
  },
  ...extra,
});

export default {
  projects: [
    project('unit'),
    project('tidy', { testTimeout: 120_000 }),
    project('e2e', { testTimeout: 600_000 }),
  ],
  reporters: ['default', '<rootDir>/test/support/summary-reporter.mjs'],
};
