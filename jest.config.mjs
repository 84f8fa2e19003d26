const project = (name, directory, extra = {}) => ({
  displayName: name,
  testEnvironment: 'node',
  testMatch: [`<rootDir>/test/${directory}/**/*.test.ts`],
  transform: {
    '^.+\\.ts$': [
      '@swc/jest',
      { jsc: { parser: { syntax: 'typescript' }, target: 'es2024' }, module: { type: 'commonjs' } },
    ],
  },
  ...extra,
});

export default {
  projects: [project('unit', 'unit'), project('tidy', 'tidy'), project('e2e', 'e2e')],
};
