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

// The API's answers must be what its document says.
const documented = '<rootDir>/test/support/documented-api.ts';

export default {
  projects: [
    project('unit'),
    project('tidy', patient),
    project('e2e', { setupFilesAfterEnv: [...patient.setupFilesAfterEnv, documented] }),
    project('docker', patient),
    project('kubernetes', patient),
  ],
  reporters: ['default', '<rootDir>/test/support/summary-reporter.mjs'],
};
