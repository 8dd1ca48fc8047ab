export { EmbeddedCluster } from './embedded-cluster.ts';
export { EmbeddedClusterError, type EmbeddedClusterErrorCode } from './errors.ts';
export { type ActiveFault, type Fault, FaultInjector, type FaultKind, type FaultMatch } from './faults.ts';
export type { EmbeddedClusterOptions, EmbeddedLogger } from './options.ts';
