import { workerSuites } from '../../contract/worker/all.ts';
import { describeVolumes } from '../../contract/worker/volumes.ts';
import { describeEmbeddedWorker } from '../../support/describe-embedded-worker.ts';

describeEmbeddedWorker('namespaces', workerSuites);
// The isolation decides what paths mean; the rest of the contract runs in test/long.
describeEmbeddedWorker('mapped', [describeVolumes]);
