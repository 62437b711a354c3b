/* Makes a canvas that paints the time stand in for the camera; see timecode.py for the grid. Loaded
   before the page's own modules. */
(() => {
  const [columns, rows, share] = [8, 4, 3 / 7];

  function bitsOf(milliseconds) {
    const code = milliseconds % 2 ** 24;
    const check = (0xa5 ^ code ^ (code >> 8) ^ (code >> 16)) & 0xff;
    return [...code.toString(2).padStart(24, "0"), ...check.toString(2).padStart(8, "0")];
  }

  window.timecodeCamera = ({ width = 1280, height = 720, framerate = 30 } = {}) => {
    const canvas = Object.assign(document.createElement("canvas"), { width, height });
    const context = canvas.getContext("2d", { alpha: false });
    context.fillStyle = "#808890";
    context.fillRect(0, 0, width, height);
    const paint = () => {
      // The system's clock: performance.timeOrigin keeps for ever what it was read wrong by.
      bitsOf(Date.now()).forEach((bit, index) => {
        const [column, row] = [index % columns, Math.floor(index / columns)];
        context.fillStyle = bit === "1" ? "#fff" : "#000";
        const x = Math.round((width * share * column) / columns);
        const y = Math.round((height * share * row) / rows);
        const right = Math.round((width * share * (column + 1)) / columns);
        const bottom = Math.round((height * share * (row + 1)) / rows);
        context.fillRect(x, y, right - x, bottom - y);
      });
    };
    paint();
    setInterval(paint, 1000 / framerate);
    return canvas.captureStream(framerate);
  };

  if (navigator.mediaDevices) {
    navigator.mediaDevices.getUserMedia = async () => window.timecodeCamera();
  }
})();
