/** The name of the store whose content is in pods. Every worker has it. */
export const podStoreName = 'pod';
/** The name of a store on a claim, unless its options have another. */
export const defaultPvcStoreName = 'pvc';
/** The name of a store in a bucket, unless its options have another. */
export const defaultS3StoreName = 's3';
