export { EmbeddedCluster } from './embedded-cluster.ts';
export { EmbeddedClusterError, type EmbeddedClusterErrorCode } from './errors.ts';
export { FaultInjector, type ActiveFault, type Fault, type FaultKind, type FaultMatch } from './faults.ts';
export type { EmbeddedClusterOptions, EmbeddedLogger } from './options.ts';
