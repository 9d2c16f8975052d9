// SPDX-License-Identifier: Apache-2.0
// Compute unit of SparTen (Gondimalla et al., MICRO 2019): joins two sparse chunks of 128 channels. A priority
// encoder takes the channels where both maps have a 1, one a cycle; prefix sums over each map say where the two values
// stand among the packed ones. A chunk takes as many cycles as it has such channels, and one where it has none.
//
// Left out: the buffers, which hold maps and packed values, and everything that fills them.
`default_nettype none

module sparten_unit (
    input  wire clk_i,
    input  wire rst_i,

    // A chunk: stays until it is ready, which it is in its last cycle.
    input  wire chunk_valid_i,
    output wire chunk_ready_o,
    input  wire chunk_first_i,  // the sum begins anew
    input  wire [127:0] activation_map_i,
    input  wire [127:0] weight_map_i,

    // A cycle later: where the pair stands in the buffers, which answer at once.
    output wire pair_valid_o,
    output wire [6:0] activation_index_o,
    output wire [6:0] weight_index_o,
    input  wire signed [7:0] activation_i,
    input  wire signed [7:0] weight_i,

    // A cycle after the last pair.
    output wire signed [31:0] sum_o
);

    // ---- match and choose --------------------------------------------------------------------------

    reg [127:0] taken_q;

    wire [127:0] left = activation_map_i & weight_map_i & ~taken_q;
    wire [127:0] others = left & (left - 128'd1);
    wire [127:0] chosen = left & ~others;
    wire last = (others == 128'd0);

    assign chunk_ready_o = last;

    always @(posedge clk_i) begin
        if (rst_i) taken_q <= 128'd0;
        else if (chunk_valid_i) taken_q <= last ? 128'd0 : taken_q | chosen;
    end

    // ---- prefix sums -------------------------------------------------------------------------------

    wire [6:0] activation_index;
    wire [6:0] weight_index;

    sparten_index u_activation_index (
        .map_i    (activation_map_i),
        .chosen_i (chosen),
        .index_o  (activation_index)
    );

    sparten_index u_weight_index (
        .map_i    (weight_map_i),
        .chosen_i (chosen),
        .index_o  (weight_index)
    );

    // ---- multiply and add --------------------------------------------------------------------------

    reg pair_valid_q;
    reg first_q;
    reg [6:0] activation_index_q;
    reg [6:0] weight_index_q;
    reg signed [31:0] sum_q;
    // A chunk begins where nothing of it was taken.
    wire begins = chunk_valid_i && chunk_first_i && (taken_q == 128'd0);

    always @(posedge clk_i) begin
        if (rst_i) begin
            pair_valid_q <= 1'b0;
            first_q <= 1'b0;
        end else begin
            pair_valid_q <= chunk_valid_i && (left != 128'd0);
            first_q <= begins;
        end
    end

    always @(posedge clk_i) begin
        if (chunk_valid_i) begin
            activation_index_q <= activation_index;
            weight_index_q <= weight_index;
        end
    end

    wire signed [15:0] product = activation_i * weight_i;
    wire signed [31:0] term = pair_valid_q ? {{16{product[15]}}, product} : 32'sd0;
    wire signed [31:0] base = first_q ? 32'sd0 : sum_q;

    always @(posedge clk_i) begin
        if (pair_valid_q || first_q) sum_q <= base + term;
    end

    assign pair_valid_o = pair_valid_q;
    assign activation_index_o = activation_index_q;
    assign weight_index_o = weight_index_q;
    assign sum_o = sum_q;

endmodule

`default_nettype wire
