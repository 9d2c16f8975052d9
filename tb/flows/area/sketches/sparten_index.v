// SPDX-License-Identifier: Apache-2.0
// How many channels below the chosen one have a 1 in a map of 128. All prefix sums are there at once, made by a
// Brent-Kung network, the one with the fewest adders; the chosen channel selects its own.
`default_nettype none

module sparten_index (
    input  wire [127:0] map_i,
    input  wire [127:0] chosen_i,  // one bit is 1, or none
    output wire [6:0] index_o
);

    // Ones in aligned runs of 2^k channels, k = 0..6; those of level k begin at place 256 - 256 / 2^k. The second half
    // of the map is needed by none.
    reg [6:0] ones [0:252];
    // Ones below a channel.
    reg [6:0] below [0:127];
    reg [6:0] index;

    integer k;
    integer n;

    always @* begin
        for (n = 0; n < 128; n = n + 1) ones[n] = {6'd0, map_i[n]};
        for (k = 1; k < 7; k = k + 1) begin
            for (n = 0; n < (128 >> k); n = n + 1) begin
                if (256 - (256 >> k) + n < 253)
                    ones[256 - (256 >> k) + n] =
                        ones[256 - (256 >> (k - 1)) + 2 * n] + ones[256 - (256 >> (k - 1)) + 2 * n + 1];
            end
        end
        // Channel n * 2^k, n odd: the ones below the run before it, and those in it.
        below[0] = 7'd0;
        for (k = 6; k >= 0; k = k - 1) begin
            for (n = 1; n < (128 >> k); n = n + 2)
                below[n << k] = below[(n - 1) << k] + ones[256 - (256 >> k) + n - 1];
        end
        index = 7'd0;
        for (n = 0; n < 128; n = n + 1) index = index | (below[n] & {7{chosen_i[n]}});
    end

    assign index_o = index;

endmodule

`default_nettype wire
