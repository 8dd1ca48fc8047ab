export { EmbeddedCluster } from './embedded-cluster.ts';
export { EmbeddedClusterError, type EmbeddedClusterErrorCode } from './errors.ts';
export type { ActiveFault, Fault, FaultInjector, FaultKind, FaultMatch } from './faults.ts';
export type { EmbeddedClusterOptions, EmbeddedLogger } from './options.ts';
