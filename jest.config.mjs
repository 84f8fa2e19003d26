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

// Real processes on a shared machine take their time; a unit test never should.
const patient = { setupFilesAfterEnv: ['<rootDir>/test/support/patience.ts'] };

export default {
  projects: [
    project('unit'),
    project('tidy', patient),
    project('e2e', patient),
    project('docker', patient),
  ],
  reporters: ['default', '<rootDir>/test/support/summary-reporter.mjs'],
};
