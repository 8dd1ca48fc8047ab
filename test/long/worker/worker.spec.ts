import { workerSuites } from '../../contract/worker/all.ts';
import { describeEmbeddedWorker } from '../../support/describe-embedded-worker.ts';

describeEmbeddedWorker('mapped', workerSuites);
