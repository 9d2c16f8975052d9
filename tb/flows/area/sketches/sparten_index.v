// SPDX-License-Identifier: Apache-2.0
// How many channels below the chosen one have a 1 in a map of 128. All prefix sums are there at once, made by a
// Brent-Kung network, the one with the fewest adders; the chosen channel selects its own.
`default_nettype none

module sparten_index (
    input  wire [127:0] map_i,
    input  wire [127:0] chosen_i,  // one bit is 1, or none
    output wire [6:0] index_o
);

    // Ones in aligned runs of 2^k channels, k = 0..6; those of level k begin at place 256 - 256 / 2^k.
    wire [7:0] ones [0:253];
    // Ones below a channel.
    wire [6:0] below [0:127];
    // Of the channels so far, the count of the chosen one.
    wire [6:0] selected [0:128];

    assign below[0] = 7'd0;
    assign selected[0] = 7'd0;
    assign index_o = selected[128];

    genvar k;
    genvar n;
    generate
        for (n = 0; n < 128; n = n + 1) begin : gen_channel
            assign ones[n] = {7'd0, map_i[n]};
            assign selected[n + 1] = selected[n] | (below[n] & {7{chosen_i[n]}});
        end
        for (k = 1; k < 7; k = k + 1) begin : gen_level
            for (n = 0; n < (128 >> k); n = n + 1) begin : gen_run
                // Counts of level k have k + 1 bits.
                wire [k:0] count =
                    {1'b0, ones[256 - (256 >> (k - 1)) + 2 * n][k - 1:0]} +
                    {1'b0, ones[256 - (256 >> (k - 1)) + 2 * n + 1][k - 1:0]};
                assign ones[256 - (256 >> k) + n] = {{(7 - k){1'b0}}, count};
            end
        end
        // Channel n * 2^k, n odd: the ones below the run before it, and those in it.
        for (k = 0; k < 7; k = k + 1) begin : gen_below
            for (n = 1; n < (128 >> k); n = n + 2) begin : gen_sum
                assign below[n << k] = below[(n - 1) << k] + ones[256 - (256 >> k) + n - 1][6:0];
            end
        end
    endgenerate

    // The count of the whole map, and top bits that are 0.
    wire unused_ones = ^{ones[253], ones[252][7]};

endmodule

`default_nettype wire
