import { expectDocumentedAnswers } from './documented-answers.ts';

/** The orchestrators of the tests with real processes. */
expectDocumentedAnswers('http://127.0.0.1:5705');
