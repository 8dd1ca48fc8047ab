// Examines an image of the service: `node scripts/check-image.ts image.tar`, an OCI archive. Prints what is wrong with it, one line
// each, and its size. Exits with 1 if anything is.
import { readImage } from './image/image-archive.ts';
import { imageProblems } from './image/image-problems.ts';

const [archive] = process.argv.slice(2);
if (archive === undefined) throw new Error('usage: node scripts/check-image.ts ARCHIVE');
const image = await readImage(archive);
const problems = imageProblems(image);
for (const problem of problems) console.log(problem);
const unpacked = image.entries.reduce((sum, { bytes }) => sum + bytes, 0);
const megabytes = (bytes: number): string => `${(bytes / 1e6).toFixed(1)} MB`;
console.log(`${image.digest}: ${megabytes(image.compressedBytes)} compressed, ${megabytes(unpacked)} unpacked`);
process.exitCode = problems.length === 0 ? 0 : 1;
