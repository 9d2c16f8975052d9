// SPDX-License-Identifier: Apache-2.0
// Multiplier lane of Bit-Tactical's front end (Delmas Lascorz et al., ASPLOS 2019): a weight that the
// scheduler moved within the window of 2 steps ahead and 5 neighbours aside chooses one of 8 activations.
//
// Left out: the window that holds the activations, the scheduled weights with their choices, and the adder tree, in
// place of which the lane has an accumulator of its own.
`default_nettype none

module bit_tactical_lane (
    input  wire clk_i,
    input  wire clear_i,  // the sum begins anew
    input  wire valid_i,  // a weight is there

    input  wire [63:0] activations_i,  // 8 of 8 bits, signed
    input  wire [2:0] choice_i,
    input  wire signed [7:0] weight_i,
    output wire signed [31:0] sum_o
);

    reg signed [31:0] sum_q;

    wire signed [7:0] activation = activations_i[{choice_i, 3'd0} +: 8];
    wire signed [15:0] product = activation * weight_i;
    wire signed [31:0] extended = {{16{product[15]}}, product};

    always @(posedge clk_i) begin
        if (clear_i) sum_q <= 32'sd0;
        else if (valid_i) sum_q <= sum_q + extended;
    end

    assign sum_o = sum_q;

endmodule

`default_nettype wire
