// Plain JavaScript that old versions of Node can parse: it reports which version is necessary.
const needed = 24;
if (Number(process.versions.node.split('.')[0]) < needed) {
  console.error(
    `This needs Node ${needed} or newer, and runs on ${process.versions.node}: the specs and tools are TypeScript that runs unbuilt. ` +
      '`npm ci` installs one as the devDependency `node`, unless install scripts are switched off. The built package runs on Node 22.19 and newer.',
  );
  process.exit(1);
}
