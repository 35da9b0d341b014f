// Tiles of a plane for OpenSeadragon, whose levels count from the smallest.

// `tint`: RRGGBB in the place of white, or null.
export function tileSource(layer, planes, plane, contrast, tint = null) {
  const last = planes.levels.length - 1;
  const query = { low: contrast.low, high: contrast.high, colours: coloursOf(layer, planes), ...(tint && { tint }) };
  return {
    width: planes.width_px,
    height: planes.height_px,
    tileSize: planes.tile_px,
    tileOverlap: 0,
    minLevel: 0,
    maxLevel: last,
    getTileUrl: (level, x, y) => layer.address(`/${plane}/tiles/${last - level}/${x}_${y}.png`, query),
  };
}

function coloursOf(layer, planes) {
  return layer.colours === "grey" && planes.white_is_zero ? "inverted" : layer.colours;
}
