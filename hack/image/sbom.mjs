// Writes the software in the image as CycloneDX JSON: the npm packages, Node, and the Debian packages of
// the base. The same content gives the same bytes. A step of the Containerfile: it runs with the plain
// Node of the build stage, in /app.
//
//   node sbom.mjs FOLDER_OF_DEBIAN_STATUS_FILES FILE
import { execFileSync } from 'node:child_process';
import { readdirSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';

const [debianFolder, file] = process.argv.slice(2);
const npm = '/usr/local/lib/node_modules/npm/bin/npm-cli.js';
const options = { encoding: 'utf8', maxBuffer: 1 << 28 };
const sbom = JSON.parse(
  execFileSync(process.execPath, [npm, 'sbom', '--sbom-format', 'cyclonedx', '--omit', 'dev'], options),
);
// Different in each run, or with each npm.
delete sbom.serialNumber;
delete sbom.metadata.timestamp;
delete sbom.metadata.tools;
// npm takes the name of the folder.
sbom.metadata.component.name = JSON.parse(readFileSync('package.json', 'utf8')).name;

/** Returns the component of a Debian package from its fields. */
function debianComponent(status) {
  const field = (name) => new RegExp(`^${name}: (.*)$`, 'm').exec(status)?.[1] ?? '';
  const [name, version] = [field('Package'), field('Version')];
  const place = `${encodeURIComponent(name)}@${encodeURIComponent(version)}`;
  const purl = `pkg:deb/debian/${place}?arch=${field('Architecture')}&distro=debian-12`;
  return { type: 'library', 'bom-ref': purl, name, version, purl };
}

const isStatus = (name) => !name.endsWith('.md5sums');
const statusFiles = readdirSync(debianFolder).filter(isStatus).sort();
const debian = statusFiles.map((name) => debianComponent(readFileSync(join(debianFolder, name), 'utf8')));
const node = process.versions.node;
const purl = `pkg:generic/node@${node}`;
sbom.components.push({ type: 'application', 'bom-ref': purl, name: 'node', version: node, purl }, ...debian);
writeFileSync(file, `${JSON.stringify(sbom, undefined, 1)}\n`);
