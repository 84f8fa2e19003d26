/** For tests that wait for other programs: jest's own 5 s would end them before they could fail. */
const LONGEST_TEST_MS = 600_000;

jest.setTimeout(LONGEST_TEST_MS);
