// SPDX-License-Identifier: Apache-2.0
// Processing element of SCNN (Parashar et al., ISCA 2017): all products of 4 weights with 4 activations of
// one input channel, each added to the output that the sum of their coordinates names. A crossbar takes the products to
// 32 accumulator banks. Where several go to one bank, the lowest goes first, and the next 16 wait for the others.
//
// Left out: the accumulator banks and all other buffers, decoding of coordinates from run lengths, queues before the
// banks, and the exchange of halos.
`default_nettype none

module scnn_pe (
    input  wire clk_i,
    input  wire rst_i,

    // Four weights and four activations; a value that is not there is 0.
    input  wire pairs_valid_i,
    output wire pairs_ready_o,
    input  wire [31:0] weights_i,           // 4 of 8 bits, signed
    input  wire [11:0] weight_channels_i,   // 4 output channels, 0..7 of the group
    input  wire [11:0] weight_lines_i,      // 4 output lines, relative to the activation's
    input  wire [11:0] weight_columns_i,    // 4 output columns, relative to the activation's
    input  wire [31:0] activations_i,       // 4 of 8 bits, signed
    input  wire [15:0] activation_lines_i,  // 4 lines, 0..15
    input  wire [15:0] activation_columns_i,

    // To the accumulator banks, which answer at once: the entry of bank b is bits 6*b and up, its sum bits 24*b.
    output wire [31:0] bank_write_o,
    output wire [191:0] bank_entry_o,
    input  wire [767:0] bank_sum_i,
    output wire [767:0] bank_sum_o
);

    // ---- multiply, and add coordinates -------------------------------------------------------------

    // Products that wait for their banks. An output's place is {channel, line, column}: the bank is its low 5 bits.
    reg [15:0] waiting_q;
    reg signed [15:0] product_q [0:15];
    reg [10:0] place_q [0:15];

    wire [15:0] granted;
    wire [15:0] left = waiting_q & ~granted;
    wire take = pairs_valid_i && pairs_ready_o;
    wire [15:0] present;

    assign pairs_ready_o = (left == 16'd0);

    always @(posedge clk_i) begin
        if (rst_i) waiting_q <= 16'd0;
        else waiting_q <= take ? present : left;
    end

    genvar a;
    genvar w;
    generate
        for (w = 0; w < 4; w = w + 1) begin : gen_weight
            for (a = 0; a < 4; a = a + 1) begin : gen_activation
                wire signed [7:0] weight = weights_i[8*w +: 8];
                wire signed [7:0] activation = activations_i[8*a +: 8];
                wire [3:0] line = {1'b0, weight_lines_i[3*w +: 3]} + activation_lines_i[4*a +: 4];
                wire [3:0] column = {1'b0, weight_columns_i[3*w +: 3]} + activation_columns_i[4*a +: 4];

                assign present[4*w + a] = (weight != 8'sd0) && (activation != 8'sd0);

                always @(posedge clk_i) begin
                    if (take) begin
                        product_q[4*w + a] <= weight * activation;
                        place_q[4*w + a] <= {weight_channels_i[3*w +: 3], line, column};
                    end
                end
            end
        end
    endgenerate

    // ---- crossbar ----------------------------------------------------------------------------------

    // Which bank a product goes to, and which banks a lower product has.
    wire [31:0] wanted [0:15];
    wire [31:0] busy [0:16];
    wire [31:0] grants [0:15];

    assign busy[0] = 32'd0;

    genvar p;
    genvar b;
    generate
        for (p = 0; p < 16; p = p + 1) begin : gen_product
            assign wanted[p] = waiting_q[p] ? 32'd1 << place_q[p][4:0] : 32'd0;
            assign grants[p] = wanted[p] & ~busy[p];
            assign busy[p + 1] = busy[p] | wanted[p];
            assign granted[p] = (grants[p] != 32'd0);
        end
        for (b = 0; b < 32; b = b + 1) begin : gen_bank
            // What the products so far bring to the bank: value and entry of the one that is granted.
            wire [21:0] brought [0:16];
            assign brought[0] = 22'd0;
            for (p = 0; p < 16; p = p + 1) begin : gen_choice
                assign brought[p + 1] = brought[p] | ({product_q[p], place_q[p][10:5]} & {22{grants[p][b]}});
            end
            assign bank_write_o[b] = busy[16][b];
            assign bank_entry_o[6*b +: 6] = brought[16][5:0];
            assign bank_sum_o[24*b +: 24] = bank_sum_i[24*b +: 24] + {{8{brought[16][21]}}, brought[16][21:6]};
        end
    endgenerate

endmodule

`default_nettype wire
