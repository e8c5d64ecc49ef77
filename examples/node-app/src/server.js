const left = require("left");

require("http").createServer((_, answer) => answer.end(left("hello\n"))).listen(3000);
