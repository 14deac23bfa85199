// Reads and writes grids with the npm package haystack-core. Runs in node, where that package is installed:
//
//     node haystack_core_peer.js NODE_MODULES
//
// Each line on standard input is a JSON object with "form" ("zinc" or "json4") and "body", the text of a grid. The line
// that answers it has the same grid as "zinc" and as "json4", or an "error". The program ends with its standard input.

const path = require('path')
const readline = require('readline')
const { HGrid, ZincReader } = require(path.join(process.argv[2], 'haystack-core'))

function answer({ form, body }) {
	try {
		const grid = form === 'zinc' ? ZincReader.readValue(body) : HGrid.make(JSON.parse(body))
		return { zinc: grid.toZinc(), json4: JSON.stringify(grid.toJSON()) }
	} catch (error) {
		return { error: String(error) }
	}
}

readline.createInterface({ input: process.stdin }).on('line', (line) => {
	process.stdout.write(JSON.stringify(answer(JSON.parse(line))) + '\n')
})
